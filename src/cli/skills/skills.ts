/** `oxbow skills verify`: a folder of this machine is checked without a guest. */
import { existsSync, readFileSync, statSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { readSkill } from '../../skills/index.ts'
import { plainLine } from '../../terminal/index.ts'
import { errorTable, OxbowError } from '../../base/index.ts'
import { maxSkillMdBytes } from '../../config/index.ts'
import { withGuest, outputOf } from '../guest-connection.ts'
import { assertFile } from '../own-files.ts'
import { type CallOptions } from '../kernel/call.ts'
import { printLine, printNotice, printText, type Terminal } from '../terminal.ts'

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
  assertFile(file, 'Give the folder of a skill.')
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
