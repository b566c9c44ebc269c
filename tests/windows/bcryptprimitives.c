/* bcryptprimitives.dll, which Wine 8 lacks: libraries written in Rust take their random bytes from it. */
#include <windows.h>
BOOLEAN NTAPI SystemFunction036(void *bytes, ULONG length);  /* RtlGenRandom in advapi32.dll */

__declspec(dllexport) BOOL WINAPI ProcessPrng(BYTE *bytes, SIZE_T length) {
    return SystemFunction036(bytes, (ULONG)length);
}
