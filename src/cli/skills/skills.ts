/** What the verbs of `oxbow skills` do. */
import { existsSync, readFileSync, statSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { createInterface } from 'node:readline/promises'
import { readSkill } from '../../skills/index.ts'
import { plainLine, plainText, table } from '../../terminal/index.ts'
import type { OutputOf } from '../../client/index.ts'
import { errorTable, maxSkillMdBytes, ownValue, OxbowError } from '../../types/index.ts'
import { openHome, sharedPathOf } from '../../runner/index.ts'
import { userWorkspace, withGuest } from '../guest-connection.ts'
import { type CallOptions, type DryRunOptions, outputOf, showDestruction, showOutput } from '../kernel/call.ts'
import { isInteractive, printLine, printNotice, printText, type Terminal } from '../terminal.ts'

type Shown = OutputOf<'skill.show'>

const noteChars = 90

export function skillsList(options: CallOptions, terminal: Terminal): Promise<number> {
  return showOutput(['skill.list', {}], options, terminal, ({ items }) => {
    const rows = items.map(({ kind, name, place, agent, path, description, state, problem }) => [
      plainLine(kind === 'command' ? `/${name}` : name, 64),
      path === '' ? placeName(place, agent) : plainLine(path, 80),
      state,
      plainLine(problem === '' ? description : problem, noteChars),
    ])
    const waiting = items.filter(({ state }) => state === 'new' || state === 'changed')
    const hint =
      waiting.length === 0 ? '' : `\n\n${waiting.length} came with a folder and count once you trust them: oxbow skills trust NAME or PATH`
    const long = items.filter(({ problem }) => problem.length > noteChars)
    const whole = long.map(({ name, problem }) => `\n\n${plainLine(name, 64)}: ${plainLine(problem, 2_000)}`).join('')
    return rows.length === 0 ? 'There are no skills.' : `${table([['NAME', 'FROM', 'STATE', ''], ...rows])}${whole}${hint}`
  })
}

function placeName(place: string, agent: string): string {
  return ownValue({ agent: `agent ${agent}`, user: 'you', bundled: 'Oxbow' }, place) ?? place
}

export function skillShow(which: string, options: CallOptions, terminal: Terminal): Promise<number> {
  return showOutput(['skill.show', { target: targetOf(which, options, terminal) }], options, terminal, shownText)
}

/** @returns for a file or folder of this machine that agents see, its path for them; else what was given: a name, or such a path */
function targetOf(which: string, { user }: Pick<CallOptions, 'user'>, terminal: Terminal): string {
  const isPath = /^(?:\.{0,2}\/|~\/)/.test(which) || /^(?:AGENTS|CLAUDE)\.md$/.test(which) || /\w\//.test(which)
  if (!isPath || which.startsWith('/shared/') || !existsSync(which)) return which
  const home = openHome(terminal.env)
  const isFolder = statSync(which).isDirectory()
  const place = { home, workspace: userWorkspace(home, user, terminal), env: terminal.env }
  const folder = sharedPathOf(place, isFolder ? which : dirname(resolve(which)))
  return folder === undefined ? which : isFolder ? folder : join(folder, basename(which))
}

function shownText(shown: Shown): string {
  const { name, path, state, problem, hash, files, difference } = shown
  const head = `${plainLine(name, 200)}${path === '' || path === name ? '' : `, ${plainLine(path, 400)}`}: ${state}${problem === '' ? '' : ` (${plainLine(problem, 400)})`}`
  const texts = files.map(({ path: file, executable, text }) =>
    [
      `── ${plainLine(file, 400)}${executable ? ' (a program)' : ''}`,
      text === null ? '(no text, or too large to be shown)' : plainText(text.trimEnd()),
    ].join('\n'),
  )
  const parts = difference === '' ? texts : [`What has changed since you trusted it:\n${plainText(difference)}`]
  return [hash === '' ? head : `${head}\nhash ${hash}`, ...parts].join('\n\n')
}

export async function skillVerify(which: string, options: CallOptions, terminal: Terminal): Promise<number> {
  const folder = folderOf(which)
  const { name, errors, warnings } = folder === null ? await verdictOfGuest(which, options, terminal) : await verdictOfFolder(folder)
  if (options.json === true) printLine(terminal, JSON.stringify({ name, valid: errors.length === 0, errors, warnings }))
  else if (errors.length === 0) printLine(terminal, `${plainLine(name, 200)} is valid.`)
  else printText(terminal, [`${plainLine(name, 200)} is not valid:`, ...errors.map((error) => `  ${plainLine(error, 600)}`)].join('\n'))
  if (options.json !== true) for (const warning of warnings) printNotice(terminal, `warning: ${plainLine(warning, 600)}`)
  return errors.length === 0 ? 0 : errorTable.bad_input.exit
}

/** @returns null for a name of a skill */
function folderOf(which: string): string | null {
  const path = resolve(which)
  const stats = statSync(path, { throwIfNoEntry: false })
  if (stats?.isDirectory() === true) return path
  if (stats?.isFile() === true && /^skill\.md$/i.test(basename(path))) return dirname(path)
  if (!/[/\\]/.test(which) || which.startsWith('/shared/')) return null
  throw new OxbowError('not_found', `${path} is neither a folder nor a SKILL.md`, {
    hint: 'Give the folder of a skill, or the name of one.',
  })
}

interface Verdict {
  readonly name: string
  readonly errors: readonly string[]
  readonly warnings: readonly string[]
}

async function verdictOfFolder(folder: string): Promise<Verdict> {
  const name = basename(folder)
  const file = ['SKILL.md', 'skill.md'].map((each) => join(folder, each)).find((each) => existsSync(each))
  if (file === undefined) return { name, errors: ['Missing required file: SKILL.md'], warnings: [] }
  if (statSync(file).size > maxSkillMdBytes)
    return { name, errors: [`SKILL.md is larger than ${maxSkillMdBytes / 1024} KiB`], warnings: [] }
  const { errors, warnings } = await readSkill(readFileSync(file, 'utf8'), name)
  return { name, errors, warnings }
}

function verdictOfGuest(which: string, options: CallOptions, terminal: Terminal): Promise<Verdict> {
  return withGuest(options, terminal, async ({ gateway }) => {
    const { items } = await outputOf(gateway, 'skill.list', {})
    const found = items.filter(({ kind, name, path }) => kind === 'skill' && (name === which || path === which))
    if (found.length === 0)
      throw new OxbowError('not_found', `there is no skill ${JSON.stringify(which)}`, { hint: 'oxbow skills list shows them.' })
    const of = (isBroken: boolean): readonly string[] =>
      found.flatMap(({ state, problem }) => (problem !== '' && (state === 'broken') === isBroken ? [problem] : []))
    return { name: which, errors: of(true), warnings: of(false) }
  })
}

export interface TrustOptions extends CallOptions {
  readonly hash?: string | undefined
}

/** @returns 0 also when the person does not trust it */
export function skillTrust(given: string, options: TrustOptions, terminal: Terminal): Promise<number> {
  const which = targetOf(given, options, terminal)
  return withGuest(options, terminal, async ({ gateway }) => {
    let { hash } = options
    if (hash === undefined) {
      const shown = await outputOf(gateway, 'skill.show', { target: which })
      if (shown.hash === '' || shown.state === 'ready') {
        printNotice(terminal, shown.hash === '' ? `${which} is not of a folder and needs no trust.` : `${which} is trusted as it is.`)
        return 0
      }
      printText({ output: terminal.errors }, `${shownText(shown)}\n`)
      if (!(await isTrusted(which, terminal))) return 0
      hash = shown.hash
    }
    const output = await outputOf(gateway, 'skill.trust', { target: which, hash })
    printLine(
      terminal,
      options.json === true ? JSON.stringify(output) : `Trusted ${plainLine(output.path, 400)}. It counts until it changes.`,
    )
    return 0
  })
}

async function isTrusted(which: string, terminal: Terminal): Promise<boolean> {
  if (!isInteractive(terminal))
    throw new OxbowError('bad_input', 'Trusting needs a terminal, or the hash of what you have seen.', {
      hint: `oxbow skills show ${which} --json shows it; then: oxbow skills trust ${which} --hash HASH`,
    })
  const lines = createInterface({ input: terminal.input, output: terminal.errors })
  try {
    const answer = await lines.question(`Let agents follow ${plainLine(which, 200)}? [y/N] `)
    if (/^y(es)?$/i.test(answer.trim())) return true
    printNotice(terminal, 'It stays data.')
    return false
  } finally {
    lines.close()
  }
}

export function skillRevoke(given: string, options: DryRunOptions, terminal: Terminal): Promise<number> {
  const which = targetOf(given, options, terminal)
  const revoked = ({ revoked: paths }: { revoked: readonly string[] }): string =>
    paths.length === 0 ? `${plainLine(which, 200)} was not trusted.` : `No longer trusted: ${plainLine(paths.join(', '), 800)}`
  return showDestruction(['skill.revoke', { target: which }], options, terminal, revoked, async (gateway) => {
    const { name, path, state, hash } = await outputOf(gateway, 'skill.show', { target: which })
    return { would: `take back the trust in ${which}`, target: { name, path, state, hash } }
  })
}
