/* py.exe, by which Windows starts one of its Pythons: here `py -3 …` is PYTHON (given by the compiler's -D) with …  */
#include <wchar.h>
#include <windows.h>

#define LENGTH 8192

int wmain(void) {
    wchar_t command[LENGTH];
    wchar_t *rest = wcsstr(GetCommandLineW(), L" -3 ");
    if (!rest || wcslen(rest) + wcslen(PYTHON) + 4 > LENGTH) return 103;
    wcscpy(command, L"\"" PYTHON L"\" ");
    wcscat(command, rest + 4);
    STARTUPINFOW start;
    PROCESS_INFORMATION process;
    DWORD code = 1;
    GetStartupInfoW(&start);
    if (!CreateProcessW(NULL, command, NULL, NULL, TRUE, 0, NULL, NULL, &start, &process)) return 103;
    WaitForSingleObject(process.hProcess, INFINITE);
    GetExitCodeProcess(process.hProcess, &code);
    return code;
}
