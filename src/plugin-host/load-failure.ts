/** Where the code of a plugin fails when it is loaded or begins: its errors get the file in its folder and the line in front of their message. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'
import { inspect } from 'node:util'

/** A syntax check of one file runs nothing of it; large bundles take a second. */
const checkMs = 5_000

interface FailureHints {
  /** URL of the module that was resolved last: the one whose syntax is wrong. */
  readonly lastFile?: string
  /** Where the plugin waited: an error from elsewhere, such as of a thread, has no line of it. */
  readonly waitedAt?: string
}

/**
 * Writes the whole error to the log. Keeps `code` and `hint`, which plugins may set.
 * @param folder of the plugin, absolute, without a slash at its end
 * @returns an error whose message begins with `FILE:LINE: ` where the place is known
 */
export function failureAt(cause: unknown, folder: string, { lastFile = '', waitedAt = '' }: FailureHints): Error {
  const stack = cause instanceof Error ? (cause.stack ?? '') : ''
  const syntax = cause instanceof SyntaxError && placeIn(stack, folder) === '' ? checkSyntax(lastFile) : ''
  console.error(cause instanceof Error ? ownLines(syntax === '' ? inspect(cause) : syntax) : cause)
  const place = placeIn(syntax === '' ? stack : syntax, folder) || importPlace(stack, folder) || (cause instanceof Error ? waitedAt : '')
  const { message } = cause instanceof Error ? cause : { message: `${JSON.stringify(cause) ?? String(cause)} was thrown` }
  const said = message.replaceAll(`${folder}/`, '')
  if (place === '') return Object.assign(new Error(said, { cause }), givenBy(cause))
  const name = cause instanceof Error && !said.startsWith(cause.name) ? `${cause.name}: ` : ''
  return Object.assign(new Error(`${place}: ${name}${said}`, { cause }), givenBy(cause))
}

/** @returns an error as it is printed, without the frames of Node and of this program, which say nothing about the plugin */
export function ownLines(text: string): string {
  return text
    .split('\n')
    .filter((line) => !/^\s+at .*(?:node:|plugin-host)|^Node\.js v/.test(line))
    .join('\n')
    .trimEnd()
}

function givenBy(cause: unknown): { readonly code?: unknown; readonly hint?: unknown } {
  if (typeof cause !== 'object' || cause === null) return {}
  const { code, hint } = cause as { readonly code?: unknown; readonly hint?: unknown }
  return { ...(code !== undefined && { code }), ...(hint !== undefined && { hint }) }
}

/** @returns `FILE:LINE` of the first line of `stack` that is in the folder; empty: none is */
export function placeIn(stack: string, folder: string): string {
  // Packages that come along are named when nothing else is.
  const places = stack
    .split('\n')
    .flatMap((line) => (line.includes(`${folder}/`) ? [line.slice(line.lastIndexOf(`${folder}/`) + folder.length + 1)] : []))
    .flatMap((rest) => /^[^\s():]+:\d+/.exec(rest)?.[0] ?? [])
  return places.find((place) => !place.startsWith('node_modules/')) ?? places[0] ?? ''
}

/** An import of what is not there has no frame in the file that imports it, only its name. */
function importPlace(stack: string, folder: string): string {
  const [, wanted, from] = /Cannot find (?:module|package) '([^'\n]+)' imported from ([^\n]+)/.exec(stack) ?? []
  if (wanted === undefined || from?.startsWith(`${folder}/`) !== true) return ''
  try {
    const line = readFileSync(from, 'utf8')
      .split('\n')
      .findIndex((text) => /import|from/.test(text) && text.includes(basename(wanted)))
    return line === -1 ? '' : `${from.slice(folder.length + 1)}:${line + 1}`
  } catch {
    return ''
  }
}

/** Node keeps the place of a syntax error out of its stack. @returns what Node prints of it */
function checkSyntax(url: string): string {
  if (!url.startsWith('file:')) return ''
  const { status, stderr } = spawnSync(process.execPath, ['--check', fileURLToPath(url)], { encoding: 'utf8', timeout: checkMs })
  return status === 1 ? stderr.trimEnd() : ''
}
