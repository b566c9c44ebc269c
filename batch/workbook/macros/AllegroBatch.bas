Attribute VB_Name = "AllegroBatch"
Option Explicit

' The buttons: each saves the workbook and starts run.bat, which lies beside it, with an action and the workbook.
' What is said to the user stands in named cells of the sheet Start (VBA source cannot hold Polish letters), and so
' does where the accounts stand.

Private Const RUNNER_NAME As String = "run.bat"
Private Const ACCOUNTS_SHEET As String = "Sheet2"
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
    StartRunner "link", SelectedAccount()
End Sub

Private Function SelectedAccount() As String
    ' The account in the selected row of the sheet Accounts; on any other sheet none, and run.bat asks.
    SelectedAccount = NO_ACCOUNT
    If ActiveSheet.CodeName <> ACCOUNTS_SHEET Then Exit Function
    If ActiveCell.Row < Named("macro_account_row") Then Exit Function
    SelectedAccount = Trim$(Replace(ActiveSheet.Cells(ActiveCell.Row, Named("macro_account_column")).Value, """", ""))
End Function

Private Sub StartRunner(ByVal action As String, ByVal account As String)
    ' In a synchronised folder Excel gives a web address, where nothing can be started.
    If LCase$(Left$(ThisWorkbook.Path, 4)) = "http" Then
        Complain "macro_in_the_cloud"
        Exit Sub
    End If
    If Len(Dir$(Beside(RUNNER_NAME))) = 0 Then
        Complain "macro_no_runner"
        Exit Sub
    End If
    On Error GoTo NotSaved
    ThisWorkbook.Save
    On Error GoTo 0
    Shell CommandLine(action, account), vbNormalFocus
    Exit Sub
NotSaved:
    Complain "macro_not_saved"
End Sub

Private Function CommandLine(ByVal action As String, ByVal account As String) As String
    Dim to_run As String
    to_run = Quoted(Beside(RUNNER_NAME)) & " " & action & " " & Quoted(Beside(ThisWorkbook.Name))
    If Len(account) > 0 Then to_run = to_run & " " & Quoted(account)
    ' cmd takes the first and the last quote away (/s), so the quoted paths need a pair around them all.
    CommandLine = "cmd.exe /s /c " & Quoted(to_run)
End Function

Private Function Beside(ByVal file_name As String) As String
    Beside = ThisWorkbook.Path & Application.PathSeparator & file_name
End Function

Private Sub Complain(ByVal text_name As String)
    MsgBox Named(text_name), vbExclamation, RUNNER_NAME
End Sub

Private Function Named(ByVal cell_name As String) As Variant
    Named = ThisWorkbook.Names(cell_name).RefersToRange.Value
End Function

Private Function Quoted(ByVal text As String) As String
    Quoted = """" & text & """"
End Function
