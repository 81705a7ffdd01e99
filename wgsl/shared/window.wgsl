// The rows that a dispatch works on, `first` to before `end`. What it binds of a buffer that is larger than a binding begins with
// row `first` (rowWindows in core/windows.ts).

struct RowWindow {
  first: u32,
  end: u32,
}
