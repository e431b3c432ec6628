// EmojiDG: see Documentation.
