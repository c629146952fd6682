/**
 * Plain English, as people write it: turns of phrase that no native speaker would use, in comments, messages, documentation, names of tests
 * and subjects of commits, each with what to write instead.
 */

import { parseSync } from 'oxc-parser'
import { type Node, walk } from './source-parse.ts'

/** Whoever writes for a check of prose may name what it looks for. */
const exempt = /^(?:test\/architecture\/prose(?:\.test)?\.ts|CHANGELOG\.md|docs\/decisions\/)/

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
  if (exempt.test(path) || wrongPhrase(text) === null) return []
  return sentencesOf(path, text)
    .split('\n')
    .flatMap((line, at) => {
      const wrong = wrongPhrase(line)
      return wrong === null ? [] : [`${path}:${at + 1}: ${wrong}`]
    })
}
