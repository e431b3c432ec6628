// DomainFusion: see Documentation.
