/* Programs that run.bat meets on users' PCs, without a Python behind them: each prints a line and ends with a code.
   SAYS and CODE are given by the compiler's -D: the Store's alias of python.exe, a Python that is too old. */
#include <stdio.h>

int main(void) {
    fputs(SAYS "\n", stderr);
    return CODE;
}
