/* python.exe for Wine. Beside pyvenv.cfg it starts the interpreter that file names, as a venv's python.exe does;
   elsewhere it is the interpreter, all of which is in INTERPRETER (python311.dll, given by the compiler's -D). */
#include <stdio.h>
#include <wchar.h>
#include <windows.h>

#define LENGTH 2048

static int interpret(int count, wchar_t **arguments) {
    HMODULE library = LoadLibraryW(INTERPRETER);
    if (!library) return 120;
    int (*py_main)(int, wchar_t **) = (int (*)(int, wchar_t **))(void *)GetProcAddress(library, "Py_Main");
    return py_main ? py_main(count, arguments) : 121;
}

/* The value of `home` in pyvenv.cfg, one folder above this program; 0 when there is no such file. */
static int read_home(const wchar_t *program, wchar_t *home) {
    wchar_t path[LENGTH];
    char line[LENGTH];
    int found = 0;
    wcscpy(path, program);
    for (int up = 0; up < 2; up++) {
        wchar_t *end = wcsrchr(path, L'\\');
        if (!end) return 0;
        *end = 0;
    }
    wcscat(path, L"\\pyvenv.cfg");
    FILE *file = _wfopen(path, L"rb");
    if (!file) return 0;
    while (!found && fgets(line, LENGTH, file)) {
        line[strcspn(line, "\r\n")] = 0;
        if (strncmp(line, "home = ", 7) == 0) found = MultiByteToWideChar(CP_UTF8, 0, line + 7, -1, home, LENGTH);
    }
    fclose(file);
    return found;
}

int wmain(int count, wchar_t **arguments) {
    wchar_t program[LENGTH], home[LENGTH + 16];
    GetModuleFileNameW(NULL, program, LENGTH);
    if (!read_home(program, home)) return interpret(count, arguments);
    wcscat(home, L"\\python.exe");
    SetEnvironmentVariableW(L"__PYVENV_LAUNCHER__", program);
    STARTUPINFOW start;
    PROCESS_INFORMATION process;
    DWORD code = 1;
    GetStartupInfoW(&start);
    if (!CreateProcessW(home, GetCommandLineW(), NULL, NULL, TRUE, 0, NULL, NULL, &start, &process)) return 103;
    WaitForSingleObject(process.hProcess, INFINITE);
    GetExitCodeProcess(process.hProcess, &code);
    return code;
}
