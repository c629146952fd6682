/** A real runner of an isolated guest, which then waits: `node isolated-runner.ts <home> <configuration as JSON>`. Ends its guest at the end of its input. */
import { ensureGuest, openHome, openWorkspace } from '../../src/runner/index.ts'
import { configSchema } from '../../src/services/index.ts'
import { user } from '../support/workspace.ts'

const [, , root, config = '{}'] = process.argv
const env = { PATH: process.env['PATH'], HOME: process.env['HOME'], OXBOW_HOME: root }
const home = openHome(env)
const guest = await ensureGuest({
  home,
  workspace: openWorkspace(home, user),
  config: configSchema.parse(JSON.parse(config)),
  insecure: false,
  version: '0.0.0',
  env,
  warn: (text) => process.stderr.write(`${text}\n`),
})
process.stdout.write(`${JSON.stringify({ url: guest.url, pid: guest.pid })}\n`)
process.stdin.resume().once('end', () => void guest.stop().then(() => process.exit(0)))
