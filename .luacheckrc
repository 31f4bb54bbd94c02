-- Redis runs Lua 5.1 and gives scripts these.
std = 'lua51'
read_globals = { 'redis', 'KEYS', 'ARGV', 'cjson', 'cmsgpack' }
max_line_length = 120
-- Functions of a verb take arguments under the names that the verb's own arguments have.
ignore = { '431' }
