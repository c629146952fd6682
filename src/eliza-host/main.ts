/**
 * The program that runs elizaOS plugins in a sandbox of its own, with the same frames and rules for calls as `plugin-host`.
 *
 *     node eliza-host.cjs FOLDER ENTRY…      ENTRY: files in FOLDER, one of each plugin; they share this process
 */
import { serveHost } from '../plugin-host/index.ts'
import { openElizaAdapter } from './host-adapter.ts'

const [folder = '', ...entries] = process.argv.slice(2)

serveHost((api) => openElizaAdapter({ folder, entries, dataFolder: '/data', api, env: process.env, now: Date.now })).then(
  () => process.exit(0),
  (error: unknown) => {
    process.stderr.write(`eliza-host: ${error instanceof Error ? error.message : 'unknown failure'}\n`)
    process.exit(1)
  },
)
