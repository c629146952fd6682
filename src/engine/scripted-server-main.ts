/**
 * `node src/engine/scripted-server-main.ts scenario.json [port]`: the scripted model as a process of its own. Prints its base
 * URL as the one line on standard output once it accepts connections, and ends on SIGTERM or SIGINT.
 */
import { loadScenario } from './scripted/scenario.ts'
import { startScriptedServer } from './scripted/scripted-server.ts'

const [file = '', port = '0'] = process.argv.slice(2)
try {
  const server = await startScriptedServer(await loadScenario(file), { port: Number(port) })
  process.stdout.write(`${server.url}\n`)
  const stop = (): void => void server.close().then(() => process.exit(0))
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 3
}
