/**
 * Plain English, as people write it: turns of phrase that no native speaker would use, in comments, messages, documentation, names of tests
 * and subjects of commits, each with what to write instead.
 */

import { parseSync } from 'oxc-parser'
import { type Node, walk } from './source-parse.ts'

/** What the check leaves alone. */
const history = /^(?:CHANGELOG\.md|docs\/decisions\/)/

/** Other files that the check leaves alone, each with the reason. */
export const exemptFiles: ReadonlyMap<string, string> = new Map([
  ['test/architecture/prose.ts', 'names the phrases'],
  ['test/architecture/prose.test.ts', 'tries the phrases'],
  ['src/engine/tokens/gpt-tokenizer.js', 'is generated, with the licence of its source'],
  ['src/memory/embed/words-50k.LICENSE.md', "is somebody else's licence"],
  ['src/memory/text/classes.LICENSE.md', "is somebody else's licence"],
  ['src/memory/text/english-words.ts', 'lists stop words'],
  ['test/engine/erased-recording.full.test.ts', "contains a model's scripted answers"],
])

const phrases: readonly (readonly [phrase: RegExp, instead: string])[] = [
  [
    /\b(?:is|are|was|were) none\b|\bnone of (?:this|these|its|theirs|it|them)\b/i,
    'the verb with "not" or "no": "Unknown cursor.", not "The cursor is none of this server."',
  ],
  [/\b(?:that|those) of\b/i, 'the possessive: "the browser\'s types", not "those of a browser"'],
  [/\bbeside\b/i, '"next to", "besides", "along with" or "compared with"'],
  [/\bof which\b/i, '"whose", or two sentences'],
  [/\bwhat (?:they|it|he|she) may\b/i, '"their rights", "what it is allowed to do"'],
  [/\bshall\b/i, '"should", "must" or "will"'],
  [/\bthe first ones\b/i, '"the first" with the noun'],
  [/\bof theirs\b/i, '"their"'],
  [/\bby it\b/i, '"with it", or the actor as the subject'],
]

/** @returns what is wrong with a line; null: nothing that is looked for */
export function wrongPhrase(line: string): string | null {
  for (const [phrase, instead] of phrases) {
    const found = phrase.exec(line)?.[0]
    if (found !== undefined) return `"${found}": write ${instead}`
  }
  return null
}

/** @returns a text of the same lines, in which only sentences are left: comments, and literals of several words */
function sentencesOf(path: string, text: string): string {
  if (path.endsWith('.md')) return text
  const { comments, program } = parseSync(path, text)
  const parts: { readonly start: number; readonly end: number }[] = [...comments]
  walk(program as unknown as Node, (node) => {
    const isText =
      node.type === 'TemplateElement' || node.type === 'JSXText' || (node.type === 'Literal' && typeof node['value'] === 'string')
    if (isText && /\S\s+\S/.test(text.slice(node.start, node.end))) parts.push(node)
  })
  const blank = text.replaceAll(/[^\n]/g, ' ')
  let left = blank
  for (const { start, end } of parts) left = left.slice(0, start) + text.slice(start, end) + left.slice(end)
  return left
}

/** @returns each wrong phrase of a file, with its line */
export function checkProse(path: string, text: string): readonly string[] {
  if (history.test(path) || exemptFiles.has(path) || wrongPhrase(text) === null) return []
  return sentencesOf(path, text)
    .split('\n')
    .flatMap((line, at) => {
      const wrong = wrongPhrase(line)
      return wrong === null ? [] : [`${path}:${at + 1}: ${wrong}`]
    })
}
