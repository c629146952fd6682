/** A real runner of an isolated guest, which then waits: `node isolated-runner.ts <home> <configuration as JSON>`. Ends its guest at the end of its input. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stringify } from 'smol-toml'
import { ensureGuest, loadConfig, openHome, openWorkspace } from '../../src/runner/index.ts'
import { user } from '../support/workspace.ts'

const [, , root, config = '{}'] = process.argv
const env = { PATH: process.env['PATH'], HOME: process.env['HOME'], OXBOW_HOME: root }
const home = openHome(env)
const workspace = openWorkspace(home, user)
// In a file: what the guest runs with and the files do not say would be taken for a change of them.
writeFileSync(join(root!, 'config.toml'), stringify(JSON.parse(config) as object))
const guest = await ensureGuest({
  home,
  workspace,
  config: loadConfig(home, workspace),
  insecure: false,
  version: '0.0.0',
  env,
  warn: (text) => process.stderr.write(`${text}\n`),
})
process.stdout.write(`${JSON.stringify({ url: guest.url, pid: guest.pid })}\n`)
process.stdin.resume().once('end', () => void guest.stop().then(() => process.exit(0)))
