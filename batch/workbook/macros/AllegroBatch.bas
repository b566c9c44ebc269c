Attribute VB_Name = "AllegroBatch"
Option Explicit

' The buttons of the sheet Start: each saves the workbook and starts run.bat, which lies beside it.
' What is said to the user stands in named cells of that sheet: VBA source cannot hold Polish letters.

Private Const RUNNER_NAME As String = "run.bat"
Private Const NO_ACCOUNT As String = ""

Public Sub CheckWorkbook()
    StartRunner "check", NO_ACCOUNT
End Sub

Public Sub RunAll()
    StartRunner "run", NO_ACCOUNT
End Sub

Public Sub UpdatePrices()
    StartRunner "prices", NO_ACCOUNT
End Sub

Public Sub FetchOrders()
    StartRunner "orders", NO_ACCOUNT
End Sub

Public Sub RefreshTokens()
    StartRunner "tokens", NO_ACCOUNT
End Sub

Public Sub FetchDictionaries()
    StartRunner "dictionaries", NO_ACCOUNT
End Sub

Public Sub LinkAccount()
    Dim account As String
    account = InputBox(Words("macro_which_account"), RUNNER_NAME, Words("macro_first_account"))
    account = Trim$(Replace(account, """", ""))
    If Len(account) > 0 Then StartRunner "link", account
End Sub

Private Sub StartRunner(ByVal action As String, ByVal account As String)
    Dim folder As String
    Dim to_run As String
    ' In a synchronised folder Excel gives a web address, where nothing can be started.
    If LCase$(Left$(ThisWorkbook.Path, 4)) = "http" Then
        Complain "macro_in_the_cloud"
        Exit Sub
    End If
    folder = ThisWorkbook.Path & Application.PathSeparator
    If Len(Dir$(folder & RUNNER_NAME)) = 0 Then
        Complain "macro_no_runner"
        Exit Sub
    End If
    On Error GoTo NotSaved
    ThisWorkbook.Save
    On Error GoTo 0
    to_run = Quoted(folder & RUNNER_NAME) & " " & action & " " & Quoted(folder & ThisWorkbook.Name)
    If Len(account) > 0 Then to_run = to_run & " " & Quoted(account)
    ' cmd takes the first and the last quote away (/s), so the quoted paths need a pair around them all.
    Shell "cmd.exe /s /c " & Quoted(to_run), vbNormalFocus
    Exit Sub
NotSaved:
    Complain "macro_not_saved"
End Sub

Private Sub Complain(ByVal text_name As String)
    MsgBox Words(text_name), vbExclamation, RUNNER_NAME
End Sub

Private Function Words(ByVal text_name As String) As String
    Words = ThisWorkbook.Names(text_name).RefersToRange.Value
End Function

Private Function Quoted(ByVal text As String) As String
    Quoted = """" & text & """"
End Function
