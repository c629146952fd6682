/**
 * `oxbow space share` and `unshare`: a folder of one space, mounted in the sandbox of another. What agents read of it there is private, with the
 * folder as its origin; by that, what comes from it is found again when it is taken away.
 */
import { lstatSync } from 'node:fs'
import { basename, posix } from 'node:path'
import {
  addShare,
  findFolder,
  findGuest,
  findSpace,
  openHome,
  removeFolder,
  sharedFile,
  spaceOf,
  spaceWorkspace,
} from '../../runner/index.ts'
import { isOxbowError, OxbowError, plural } from '../../base/index.ts'
import { originOf } from '../../protocol/index.ts'
import { plainLine } from '../../terminal/index.ts'
import { outcomeOf, outputOf, withGuest } from '../guest-connection.ts'
import { isYes } from '../input.ts'
import { isInteractive, printAnswer, printNotice, printPreview, type Terminal } from '../terminal.ts'
import { personOf, type SpaceOptions } from './spaces.ts'

interface ShareOptions extends SpaceOptions {
  readonly to: string
  readonly from?: string | undefined
  readonly write?: boolean | undefined
  readonly as?: string | undefined
  readonly yes?: boolean | undefined
}

export async function spaceShare(path: string, options: ShareOptions, terminal: Terminal): Promise<number> {
  const home = openHome(terminal.env)
  const from = options.from === undefined ? options.user : findSpace(home, personOf(options), options.from).user
  const workspace = spaceWorkspace(home, personOf(options), options.to)
  if (from === workspace.user) throw new OxbowError('bad_input', 'both are the same space', { hint: 'Name another one: --to SPACE.' })
  const real = sharedFile(home, from, path)
  if (!lstatSync(real).isDirectory())
    throw new OxbowError('bad_input', `${path} is not a folder`, {
      hint: 'Share the folder that it is in, or move it: oxbow space move PATH --to SPACE',
    })
  const { space } = spaceOf(from)
  const shared = { name: options.as ?? basename(real), readOnly: options.write !== true, space }
  if (!shared.readOnly) await markShared(from, path, terminal)
  const folder = addShare({ home, workspace, env: terminal.env }, real, shared)
  const guest = await findGuest(workspace)
  const when = guest === null ? '' : `, once Oxbow is started again there: oxbow restart --space ${options.to}`
  const how = folder.readOnly ? 'read' : 'read and change'
  const text = `Agents of the space ${options.to} may ${how} it as /shared/${folder.name}${when}.\nTake it away: oxbow space unshare ${folder.name} --to ${options.to}`
  return printAnswer({ folder: `/shared/${folder.name}`, from: space, to: options.to, read_only: folder.readOnly }, text, options, terminal)
}

/** What the other space writes there may be from what it keeps private: whoever reads it here has that label, also when it is taken away again. */
async function markShared(user: string, path: string, terminal: Terminal): Promise<void> {
  const place = posix.resolve('/shared', path)
  const labelled = { path: place, labels: ['private' as const], from: [['private', originOf('path', place)]] }
  await withGuest({ user }, terminal, ({ gateway }) => outputOf(gateway, 'space.place', { lines: [], files: [labelled] } as never))
}

export async function spaceUnshare(name: string, options: ShareOptions, terminal: Terminal): Promise<number> {
  const home = openHome(terminal.env)
  const workspace = spaceWorkspace(home, personOf(options), options.to)
  const folder = findFolder({ home, workspace }, name)
  if (folder.space === undefined)
    throw new OxbowError('bad_input', `${name} is a folder of yours, which no space shares`, {
      hint: `oxbow folder remove ${name} --space ${options.to}`,
    })
  const path = `/shared/${folder.name}`
  return withGuest({ user: workspace.user }, terminal, async ({ gateway }) => {
    const { sessions, files } = await outputOf(gateway, 'space.derived', { path })
    const titles = sessions.slice(0, 3).map(({ title }) => plainLine(title, 60))
    const parts = [
      ...(sessions.length > 0 ? [`delete ${plural(sessions.length, 'session')} that may have read it (${titles.join('; ')})`] : []),
      ...(files.length > 0 ? [`delete ${plural(files.length, 'file')} that came from it (${files.slice(0, 3).join(', ')})`] : []),
    ]
    const would = `take ${path} away from the space ${options.to}${parts.length === 0 ? '' : `, and ${parts.join(' and ')}`}`
    if (options.dryRun === true) return printPreview({ would, target: { path, sessions, files } }, options, terminal)
    if (options.yes !== true) {
      if (!isInteractive(terminal))
        throw new OxbowError('bad_input', 'nobody can be asked here whether that is meant', { hint: `It would ${would}. Add --yes.` })
      if (!(await isYes(`${would}?`, terminal))) {
        printNotice(terminal, 'Nothing is changed.')
        return 0
      }
    }
    // First, so that nobody reads it while what was read goes.
    removeFolder({ home, workspace }, name)
    await outputOf(gateway, 'folder.sync', {}).catch((error: unknown) => {
      if (!isOxbowError(error, 'workspace_busy')) throw error
      printNotice(terminal, `notice: a program still sees it; oxbow restart --space ${options.to} ends it`)
    })
    for (const { id } of sessions) await outcomeOf(gateway, 'session.delete', { session: id })
    for (const file of files)
      await outcomeOf(gateway, 'file.delete', { path: file, recursive: true }).catch((error: unknown) => {
        if (!isOxbowError(error, 'not_found')) throw error
      })
    return printAnswer({ path, sessions, files }, `Done: ${would}.`, options, terminal)
  })
}
