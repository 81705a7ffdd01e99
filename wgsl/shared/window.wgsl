// The rows of a dispatch, `first` to before `end`. Its binding of a buffer that is larger than one binding begins at
// row `first` (rowWindows in core/windows.ts).

struct RowWindow {
  first: u32,
  end: u32,
}
