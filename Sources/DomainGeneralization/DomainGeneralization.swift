// DomainGeneralization: see Documentation.
