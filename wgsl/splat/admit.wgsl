// Admits the view's intersections if they fit. If not, it latches the failure and sets the number of Gaussians to zero:
// every later kernel loops to one of these counts, so this step and all that follow change nothing until the host has
// grown the buffers. One thread.
#include <counters>

struct Admit { step: u32, capacity: u32 }

@group(0) @binding(0) var<uniform> admit: Admit;
@group(0) @binding(1) var<storage, read_write> counters: array<u32>;
@group(0) @binding(2) var<storage, read_write> counts: array<u32>;

@compute @workgroup_size(1)
fn main() {
  if (counters[WANTED] > admit.capacity) {
    if (counters[FAILED] == 0u) {
      counters[FAILED] = 1u + admit.step;
      counters[NEEDED] = counters[WANTED];
    }
    counts[0] = 0u;
    counters[VISIBLE] = 0u;
  }
  counters[INTERSECTIONS] = select(counters[WANTED], 0u, counters[FAILED] != 0u);
}
