/** What is used of `gpt-tokenizer.js`, which `scripts/make-tokenizer.ts` makes. */
export const GptEncoding: {
  getEncodingApi(
    encoding: string,
    ranks: () => readonly (string | number[])[],
  ): { countTokens(text: string, options: { disallowedSpecial: Set<string> }): number; decode(tokens: readonly number[]): string }
}
