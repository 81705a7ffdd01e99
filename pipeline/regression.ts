/**
 * A picture, a tensor or a score is not what was recorded. Nothing of ours or of the user's is broken as such: the command
 * line prints the message without a stack and exits with 1.
 */
export class Regression extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'Regression';
  }
}
