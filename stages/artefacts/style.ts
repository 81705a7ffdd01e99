/** What the splat was restyled towards: given by stylize, so that score need not be told again. */
export interface Style {
  /** The prompt as it was written in the options: a name in the prompt library, or the text itself. */
  prompt: string;
  /** The CLIP model's directory; absent when it was the one that the package carries. */
  model?: string;
}
