/**
 * The fenced blocks of the pages. Each is checked by its language:
 *
 *   sh       runs literally, and its command lines parse; of `console` only the latter
 *   toml     is a whole configuration
 *   json     is JSON; after `json call: NAME` the input of this call
 *   js, ts   parse, and name only calls and steps that exist
 *   text, markdown   are only shown
 *
 * One that cannot be checked says why in its first line: "```sh unchecked: it needs an account". Its command lines are parsed all the same. A
 * block without a language is unmarked, and fails the test.
 */
import { readdirSync, readFileSync } from 'node:fs'

export interface DocBlock {
  /** File and line of its fence. */
  readonly at: string
  readonly page: string
  /** Empty: unmarked. */
  readonly language: string
  /** Why it is not checked; empty: it is. */
  readonly unchecked: string
  /** Name of the call whose input it is; empty: of none. */
  readonly call: string
  readonly text: string
}

const root = new URL('../../', import.meta.url)

/** Generated: its blocks are the examples of the verbs, which `src/cli/every-verb.full.test.ts` parses. */
const generated = new Set(['docs/cli.md'])

export function docBlocks(): readonly DocBlock[] {
  return docPages().flatMap((page) => blocksOf(page, readFileSync(new URL(page, root), 'utf8')))
}

/** Lines of code without a fence, so without a language: file and line of each. */
export function indentedBlocks(): readonly string[] {
  return docPages().flatMap((page) => indentedIn(page, readFileSync(new URL(page, root), 'utf8')))
}

export function indentedIn(page: string, text: string): readonly string[] {
  const prose = text.replaceAll(/^( *)(`{3,})[^]*?^\1\2 *$/gm, (block) => block.replaceAll(/[^\n]/g, ''))
  return Array.from(prose.matchAll(/(?<=\n\n)(?: {4}|\t)\S/g), ({ index }) => `${page}:${text.slice(0, index).split('\n').length}`)
}

function docPages(): readonly string[] {
  const within = (folder: string): readonly string[] =>
    readdirSync(new URL(folder, root), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.md') && !name.startsWith('decisions/'))
      .map((name) => `${folder}/${name}`)
  const pages = ['README.md', 'CONTRIBUTING.md', ...within('docs'), ...within('skills'), ...within('examples')]
  return pages.filter((page) => !generated.has(page)).sort()
}

export function blocksOf(page: string, text: string): readonly DocBlock[] {
  const fences = text.matchAll(/^( *)(`{3,})([^\n`]*)\n([^]*?)^\1\2 *$/gm)
  return Array.from(fences, ({ index, 1: indent = '', 3: info = '', 4: body = '' }) => {
    const [, language = '', rest = ''] = /^(\S*)\s*(.*)$/.exec(info.trim()) ?? []
    return {
      at: `${page}:${text.slice(0, index).split('\n').length}`,
      page,
      language,
      unchecked: /^unchecked: (.*\S)/.exec(rest)?.[1] ?? '',
      call: /^call: (\S+)$/.exec(rest)?.[1] ?? '',
      text: body.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
    }
  })
}

/** @returns the command lines of `oxbow` in a block, without what follows a pipe or a comment */
export function commandLines({ text }: Pick<DocBlock, 'text'>): readonly string[] {
  const lines = text.replaceAll(/\\\n\s*/g, ' ').split('\n')
  return lines.flatMap((line) => /^\s*(?:\$ )?(?:\w+=\$\()?(oxbow .*?)(?:\s+#.*)?$/.exec(line)?.[1] ?? [])
}
