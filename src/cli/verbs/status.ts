/** `oxbow status`: what this machine offers, what is missing, and how to get it. */
import { join } from 'node:path'
import { configFiles } from '../../runner/index.ts'
import type { SandboxStatus } from '../../types/index.ts'
import { withGuest } from '../guest/guest-connection.ts'
import type { GuestChoice } from '../guest/guest-connection.ts'
import { printLine } from '../terminal.ts'
import type { Terminal } from '../terminal.ts'
import { describeChain, describeRecording, describeSandbox } from '../view/status-text.ts'
import { plainText } from '../view/terminal-text.ts'
import { table } from '../view/text-format.ts'

export interface StatusOptions extends GuestChoice {
  readonly json?: boolean | undefined
}

export async function status(options: StatusOptions, terminal: Terminal): Promise<number> {
  return withGuest(options, terminal, async ({ gateway, guest, options: { home, workspace } }) => {
    const told = await gateway.status()
    if (options.json === true) {
      printLine(terminal, JSON.stringify({ ...told, workspace: workspace.root, running: !guest.owned }))
      return 0
    }
    const files = configFiles(home, workspace).map(({ path, found }) => `${path}${found ? '' : ' (not there: defaults)'}`)
    const rows = [
      ['version', terminal.version],
      ['node', process.version],
      ['workspace', workspace.root],
      ['guest', guest.owned ? 'not running (started to answer this)' : `running, pid ${guest.pid}, ${guest.url}`],
      ['model', describeChain(told)],
      ['recorded', describeRecording(told)],
      ['store', told.store === 'file' ? `a file: ${join(workspace.root, 'internal', 'oxbow.db')}` : told.store],
      ['embedder', told.embedder],
      ...files.map((path) => ['config', path]),
      ...sandboxRows(told.sandbox),
      ...(told.notice === '' ? [] : [['notice', told.notice]]),
      ...(told.read_only === null ? [] : [['READ-ONLY', `${told.read_only.message} ${told.read_only.hint}`]]),
    ]
    printLine(terminal, plainText(table(rows)))
    return 0
  })
}

function sandboxRows(sandbox: SandboxStatus): readonly (readonly string[])[] {
  const { held, limits, problems } = describeSandbox(sandbox)
  return [['sandbox', held], ...[limits, ...problems].filter((line) => line !== '').map((line) => ['', line])]
}
