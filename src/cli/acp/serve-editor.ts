/** `oxbow acp`: gives an editor's connection its guest, and the person's folders and files. Only the protocol stands on stdout. */
import { realpathSync } from 'node:fs'
import { join } from 'node:path'
import { addFolder, listFolders, usersFolder } from '../../runner/index.ts'
import { OxbowError } from '../../base/index.ts'
import { type AcpPorts, runAgent } from '../../acp/index.ts'
import { type GuestChoice, guestSetup, openConnection } from '../guest-connection.ts'
import { assertMountable, assertShown } from '../kernel/folders.ts'
import { findLocalFile, uploadFiles } from '../own-files.ts'
import { isInteractive, printNotice, type Terminal } from '../terminal.ts'
import { plainText } from '../../terminal/index.ts'
import { createServerPorts } from './editor-servers.ts'

/** @returns the exit code */
export async function acp(options: GuestChoice, terminal: Terminal): Promise<number> {
  if (isInteractive(terminal))
    throw new OxbowError('bad_input', 'oxbow acp speaks to an editor, not to a person', {
      hint: 'Name it in the settings of your editor: docs/acp.md. To talk yourself: oxbow',
    })
  const { input, output } = terminal
  await runAgent({ input, output }, createPorts(options, terminal))
  return 0
}

function createPorts(options: GuestChoice, terminal: Terminal): AcpPorts {
  const setup = guestSetup(options, terminal)
  const { home, workspace } = setup
  /** What agents see of this machine: the workspace, and the folders that the person has added. */
  const places = (): readonly { readonly own: string; readonly guest: string }[] => [
    ...listFolders(home, workspace.user).map(({ name, path }) => ({ own: path, guest: `/shared/${name}` })),
    { own: realpathSync(join(workspace.root, 'shared')), guest: '/shared' },
  ]
  return {
    version: terminal.version,
    open: () => openConnection(options, terminal),
    log: (text) => printNotice(terminal, plainText(text)),
    guestPath(path) {
      try {
        const real = realpathSync(path)
        return places().flatMap(({ own, guest }) => translate(real, own, guest) ?? [])[0]
      } catch {
        return undefined
      }
    },
    ownPath: (path) => places().flatMap(({ own, guest }) => translate(path, guest, own) ?? [])[0],
    addFolder(path) {
      assertMountable(setup)
      return `/shared/${addFolder({ ...setup, env: terminal.env }, { path, readOnly: false }).name}`
    },
    servers: createServerPorts(setup),
    showFolder: (path, gateway) => assertShown(path, gateway, setup),
    async attach(path, gateway) {
      const [sent] = await uploadFiles([await findLocalFile(path, usersFolder(home))], gateway)
      return sent!
    },
  }
}

/** @returns the path with the folder `to` in place of `from`; null if it is not in there */
function translate(path: string, from: string, to: string): string | null {
  if (path === from) return to
  return path.startsWith(`${from}/`) ? join(to, path.slice(from.length + 1)) : null
}
