/** `oxbow status`: what this machine offers, what is missing, and how to get it. */
import { join } from 'node:path'
import { configFiles } from '../../runner/index.ts'
import { withGuest } from '../guest/guest-connection.ts'
import type { GuestChoice } from '../guest/guest-connection.ts'
import { printLine, printText } from '../terminal.ts'
import type { Terminal } from '../terminal.ts'
import { statusRows } from '../view/status-text.ts'
import { plainText } from '../view/terminal-text.ts'
import { table } from '../view/text-format.ts'

export interface StatusOptions extends GuestChoice {
  readonly json?: boolean | undefined
}

export async function status(options: StatusOptions, terminal: Terminal): Promise<number> {
  return withGuest(options, terminal, async ({ gateway, guest, setup: { home, workspace, config } }) => {
    const told = await gateway.status()
    if (options.json === true) {
      printLine(terminal, JSON.stringify({ ...told, workspace: workspace.root, running: !guest.owned }))
      return 0
    }
    const isolated = config.sandbox.isolate_guest ? ', in a container of its own without network' : ''
    const files = configFiles(home, workspace).map(({ path, found }) => `${path}${found ? '' : ' (not there: defaults)'}`)
    const rows = [
      ['version', terminal.version],
      ['node', process.version],
      ['workspace', workspace.root],
      ['guest', guest.owned ? `not running (started to answer this${isolated})` : `running, pid ${guest.pid}, ${guest.url}`],
      ...files.map((path) => ['config', path]),
      ...statusRows(told, `a file: ${join(workspace.root, 'internal', 'oxbow.db')}`),
    ]
    printText(terminal, plainText(table(rows)))
    return 0
  })
}
