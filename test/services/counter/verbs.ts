/** What people type for the counter. */
import type { ServiceVerb } from '../../../src/protocol/index.ts'

export const counterVerbs: readonly ServiceVerb[] = [
  { words: 'counter', summary: 'count, up to a limit', examples: ['oxbow counter add 2'] },
  {
    words: 'counter add [by]',
    summary: 'count on',
    examples: ['oxbow counter add 2'],
    call: 'counter.add',
    show: ({ count }: { readonly count: number }) => `It stands at ${count}.`,
  },
  { words: 'counter show', summary: 'show the count', examples: ['oxbow counter show'], call: 'counter.show' },
]
