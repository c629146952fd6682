/** A real runner that brings a guest up and then waits to be killed: `node runner-to-kill.ts <home> <base url of the model>`. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stringify } from 'smol-toml'
import { ensureGuest, loadConfig, openHome, openWorkspace } from '../../src/runner/index.ts'
import { user } from '../support/workspace.ts'

const [, , root, baseUrl] = process.argv
const env = { PATH: process.env['PATH'], OXBOW_HOME: root }
const home = openHome(env)
const workspace = openWorkspace(home, user)
const config = { model: { provider: 'openai', base_url: baseUrl! }, approval: { privileged: 'allow' } }
writeFileSync(join(root!, 'config.toml'), stringify(config))
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
setInterval(() => {}, 2 ** 30)
