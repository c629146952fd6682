/** `oxbow folder`, and `--folder` of `run` and `chat`: folders of the person in which agents may work. */
import { createInterface } from 'node:readline/promises'
import {
  addFolder,
  countFolderSkills,
  findFolder,
  type GuestSetup,
  listFolders,
  openHome,
  removeFolder,
  sharedPathOf,
} from '../../runner/index.ts'
import { type HostFolder, OxbowError } from '../../types/index.ts'
import { type GuestChoice, guestSetup, userWorkspace } from '../guest-connection.ts'
import { isInteractive, printLine, printNotice, printPreview, printText, type Terminal } from '../terminal.ts'
import { plainLine, table } from '../../terminal/index.ts'

type UserChoice = Pick<GuestChoice, 'user'> & { readonly json?: boolean | undefined }

function placeOf({ user }: UserChoice, terminal: Terminal) {
  const home = openHome(terminal.env)
  return { home, workspace: userWorkspace(home, user, terminal), env: terminal.env }
}

export interface AddOptions extends UserChoice {
  readonly readOnly?: boolean | undefined
  readonly as?: string | undefined
}

export async function folderAdd(path: string, options: AddOptions, terminal: Terminal): Promise<number> {
  const folder = addFolder(placeOf(options, terminal), { path, name: options.as, readOnly: options.readOnly === true })
  if (options.json === true) printLine(terminal, JSON.stringify(folder))
  else printText(terminal, [`Agents see ${describe(folder)} from the next start of the guest.`, ...waitingLine(folder)].join('\n'))
  return 0
}

/** What agents follow only when the person trusts it. */
function waitingLine({ path }: HostFolder): readonly string[] {
  const { skills, commands, instructions } = countFolderSkills(path)
  const counted = (count: number, what: string): readonly string[] => (count === 0 ? [] : [`${count} ${what}${count === 1 ? '' : 's'}`])
  const parts = [...counted(skills, 'skill'), ...counted(commands, 'command'), ...(instructions === '' ? [] : [instructions])]
  if (parts.length === 0) return []
  return [`It brings ${new Intl.ListFormat('en').format(parts)}, which count once you trust them: oxbow skills list`]
}

export async function folderList(options: UserChoice, terminal: Terminal): Promise<number> {
  const { home, workspace } = placeOf(options, terminal)
  const folders = listFolders(home, workspace.user)
  if (options.json === true) for (const folder of folders) printLine(terminal, JSON.stringify(folder))
  else if (folders.length === 0) printNotice(terminal, 'There are no folders: oxbow folder add PATH adds one.')
  else
    printText(
      terminal,
      table(folders.map(({ name, path, readOnly }) => [`/shared/${name}`, plainLine(path, 400), readOnly ? 'read-only' : ''])),
    )
  return 0
}

export async function folderRemove(
  which: string,
  options: UserChoice & { readonly dryRun?: boolean | undefined },
  terminal: Terminal,
): Promise<number> {
  if (options.dryRun === true) {
    const target = findFolder(placeOf(options, terminal), which)
    return printPreview({ would: `no longer show agents ${describe(target)}; its files stay`, target }, options, terminal)
  }
  const folder = removeFolder(placeOf(options, terminal), which)
  if (options.json === true) printLine(terminal, JSON.stringify(folder))
  else printText(terminal, `Agents no longer see ${describe(folder)} from the next start of the guest. Its files are untouched.`)
  return 0
}

function describe({ name, path, readOnly }: HostFolder): string {
  return `${plainLine(path, 400)} as /shared/${name}${readOnly ? ', read-only' : ''}`
}

/**
 * Makes sure that agents may work in a folder, and asks the person the first time.
 * @returns its path for agents
 * @throws OxbowError `denied` if the person says no or cannot be asked, `sandbox_missing` where it cannot be mounted
 */
export async function allowFolder(path: string, choice: GuestChoice, terminal: Terminal): Promise<string> {
  const { home, workspace, env, config, insecure } = guestSetup(choice, terminal)
  assertMountable({ config, insecure })
  const place = { home, workspace, env }
  const known = sharedPathOf(place, path)
  if (known !== undefined) return known
  const hint = `Run this once: oxbow folder add ${path}`
  if (!isInteractive(terminal)) throw new OxbowError('denied', `agents may not work in ${path} yet`, { hint })
  const lines = createInterface({ input: terminal.input, output: terminal.errors })
  try {
    const answer = await lines.question(`allow agents to read and change everything in ${plainLine(path, 400)}? [y/N] `)
    if (!/^y(es)?$/i.test(answer.trim())) throw new OxbowError('denied', `agents may not work in ${path}`, { hint })
  } finally {
    lines.close()
  }
  return `/shared/${addFolder(place, { path, readOnly: false }).name}`
}

/** @throws OxbowError `sandbox_missing` where folders of the person cannot be shown to agents */
export function assertMountable({ config, insecure }: Pick<GuestSetup, 'config' | 'insecure'>): void {
  if (!insecure && config.sandbox.tier !== 'micro_vm') return
  throw new OxbowError(
    'sandbox_missing',
    `${insecure ? 'without a sandbox' : 'in a micro VM'} agents cannot work in folders outside the workspace`,
    { hint: 'Use the process or the container tier: sandbox.tier in config.toml.' },
  )
}
