/** `oxbow folder`, and `--folder` of `run` and `chat`: folders of the person in which agents may work. */
import { posix } from 'node:path'
import {
  addFolder,
  assertAddable,
  countFolderSkills,
  findFolder,
  findGuest,
  type GuestSetup,
  listFolders,
  openHome,
  removeFolder,
  sharedPathOf,
  unseenFolder,
} from '../../runner/index.ts'
import { isOxbowError, OxbowError, toFailure, plural, failureSentences } from '../../base/index.ts'
import type { HostFolder } from '../../protocol/index.ts'
import { type GatewayPort, type GuestChoice, guestSetup, userWorkspace, withGuest, outputOf } from '../guest-connection.ts'
import { isInteractive, printLine, printList, printNotice, printPreview, printText, type Terminal } from '../terminal.ts'
import { plainLine, table } from '../../terminal/index.ts'
import { ofUser } from '../verb-parts.ts'
import { isYes } from '../input.ts'

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
  const place = placeOf(options, terminal)
  const folder = addFolder(place, { path, name: options.as, readOnly: options.readOnly === true })
  const told = await tellGuest(place.workspace, options, terminal, folder.name)
  const problem = told ?? { text: await unseenFolder(guestSetup(options, terminal).config, folder), later: false }
  if (options.json === true) printLine(terminal, JSON.stringify(folder))
  else printText(terminal, [addedLine(folder, problem), ...waitingLine(folder)].join('\n'))
  if (problem.later) printNotice(terminal, `notice: the guest that runs does not show it yet: ${problem.text}`)
  return 0
}

function addedLine(folder: HostFolder, { text, later }: Unshown): string {
  if (text === '') return `Agents see ${describe(folder)}.`
  if (later) return `Agents see ${describe(folder)} from the next start of the guest.`
  return `Agents do not see ${describe(folder)}: it ${text}. It stays on the list.`
}

/** What agents follow only when the person trusts it. */
function waitingLine({ path }: HostFolder): readonly string[] {
  const { skills, commands, instructions } = countFolderSkills(path)
  const counted = (count: number, what: string): readonly string[] => (count === 0 ? [] : [plural(count, what)])
  const parts = [...counted(skills, 'skill'), ...counted(commands, 'command'), ...(instructions === '' ? [] : [instructions])]
  if (parts.length === 0) return []
  return [`It brings ${new Intl.ListFormat('en').format(parts)}, which count once you trust them: oxbow skills list`]
}

export async function folderList(options: UserChoice, terminal: Terminal): Promise<number> {
  const { home, workspace } = placeOf(options, terminal)
  const folders = listFolders(home, workspace.user)
  const unseen = await unseenFolders(workspace, options, terminal)
  const rows = folders.map(({ name, path, readOnly }) => {
    const why = unseen.get(name)
    return [`/shared/${name}`, plainLine(path, 400), readOnly ? 'read-only' : '', why === undefined ? '' : `NOT SHOWN: ${why}`]
  })
  return printList(
    folders,
    { text: () => table(rows), empty: 'There are no folders: `oxbow folder add PATH` adds one.' },
    options,
    terminal,
  )
}

/** @returns why the guest that runs does not show a folder, by name */
async function unseenFolders(
  workspace: Parameters<typeof findGuest>[0],
  options: UserChoice,
  terminal: Terminal,
): Promise<ReadonlyMap<string, string>> {
  const why = new Map<string, string>()
  if ((await findGuest(workspace)) === null) return why
  const { sandbox } = await withGuest(options, terminal, ({ gateway }) => gateway.status())
  for (const line of sandbox.degraded) {
    const [, name, problem] = /^folders: \/shared\/(\S+) (.*)$/.exec(line) ?? []
    if (name !== undefined && problem !== undefined) why.set(name, problem)
  }
  return why
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
  const place = placeOf(options, terminal)
  const folder = removeFolder(place, which)
  const problem = (await tellGuest(place.workspace, options, terminal))?.text ?? ''
  if (options.json === true) printLine(terminal, JSON.stringify(folder))
  else if (problem === '') printText(terminal, `Agents no longer see ${describe(folder)}. Its files are untouched.`)
  if (problem === '') return 0
  throw new OxbowError('tool_failed', `the guest that runs still shows agents /shared/${folder.name}: ${problem}`, {
    hint: `It is off the list; oxbow restart${ofUser(options.user)} takes it away from agents.`,
  })
}

/** Why agents do not see a folder; the text is empty if they do. `later`: the next start shows it. */
interface Unshown {
  readonly text: string
  readonly later: boolean
}

/**
 * Makes a guest that runs take over the list of now.
 * @param added name of the folder that it is to show @returns why it does not; null if none runs
 */
async function tellGuest(
  workspace: Parameters<typeof findGuest>[0],
  options: UserChoice,
  terminal: Terminal,
  added?: string,
): Promise<Unshown | null> {
  if ((await findGuest(workspace)) === null) return null
  try {
    const shown = await withGuest(options, terminal, ({ gateway }) => syncFolders(gateway))
    return { text: shown.find(({ name }) => name === added)?.problem ?? '', later: false }
  } catch (error) {
    const { message, hint } = toFailure(error, 'internal_failure', '')
    return { text: failureSentences({ message, hint }), later: true }
  }
}

type Shown = readonly { readonly name: string; readonly problem: string }[]

/** @throws OxbowError as the guest refuses it; `sandbox_missing` for one of an older version */
async function syncFolders(gateway: Pick<GatewayPort, 'call'>): Promise<Shown> {
  try {
    return (await outputOf(gateway, 'folder.sync', {})).folders
  } catch (error) {
    if (!isOxbowError(error, 'unknown_call')) throw error
    throw new OxbowError('sandbox_missing', 'the guest that runs is of an older version, which takes folders only at its start', {
      hint: '`oxbow restart` starts it again with the current folders.',
      cause: error,
    })
  }
}

/**
 * Makes sure that agents see a path before a turn is sent there.
 * @param path as agents know it @throws OxbowError with why they do not; no turn may begin then
 */
export async function assertShown(
  path: string,
  gateway: Pick<GatewayPort, 'call'>,
  { home, workspace }: Pick<GuestSetup, 'home' | 'workspace'>,
): Promise<void> {
  const shown = await syncFolders(gateway)
  const [, , name = ''] = path.split(posix.sep)
  const folder = listFolders(home, workspace.user).find((one) => one.name === name)
  // Any other path is one of the workspace.
  if (folder === undefined) return
  const found = shown.find((one) => one.name === name)
  if (found?.problem === '') return
  throw new OxbowError('sandbox_missing', `the folder ${plainLine(folder.path, 400)} ${found?.problem ?? 'is not visible to agents'}`, {
    hint: 'No turn was started. oxbow folder list shows the folders; oxbow status says which this tier does not show.',
  })
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
  const { home, workspace, env, insecure } = guestSetup(choice, terminal)
  assertMountable({ insecure })
  const place = { home, workspace, env }
  const known = sharedPathOf(place, path)
  if (known !== undefined) return known
  // Nobody is asked for, or sent to add, what is refused then.
  assertAddable(place, { path, readOnly: false })
  const hint = `Run this once: oxbow folder add ${path}`
  if (!isInteractive(terminal)) throw new OxbowError('denied', `agents may not work in ${path} yet`, { hint })
  if (!(await isYes(`allow agents to read and change everything in ${plainLine(path, 400)}?`, terminal)))
    throw new OxbowError('denied', `agents may not work in ${path}`, { hint })
  return `/shared/${addFolder(place, { path, readOnly: false }).name}`
}

/** @throws OxbowError `sandbox_missing` where folders of the person cannot be shown to agents */
export function assertMountable({ insecure }: Pick<GuestSetup, 'insecure'>): void {
  if (!insecure) return
  throw new OxbowError('sandbox_missing', 'without a sandbox agents cannot work in folders outside the workspace', {
    hint: 'Start without --insecure; oxbow doctor says what is missing for that.',
  })
}
