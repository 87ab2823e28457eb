@rem The scripts in package.json begin with "exec", which in sh makes the shell become the program, so that a signal to
@rem npm reaches it. cmd.exe has no such command and finds this file instead.
@%*
