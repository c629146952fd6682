/** A fault that hides behind three bytes: chance alone would need millions of cases, one byte after another a few thousand. */
export function brittle(input: Buffer): string {
  if (input[0] !== 0xff) return 'none'
  if (input[1] !== 0x80) return 'one'
  if (input[2] !== 0x40) return 'two'
  throw new Error('found')
}
