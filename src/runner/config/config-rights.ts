/** Rights of the agent of the configuration, which come and go with plugins and servers of tools. */
import { isDeepStrictEqual } from 'node:util'
import { isObject } from '../../base/index.ts'
import { grantOf } from '../../protocol/index.ts'
import type { Config } from '../../config/index.ts'
import { configSchema } from '../../services/index.ts'
import { changeFile } from './config-file.ts'
import { configFiles, draftConfig, loadConfig } from './config-layers.ts'
import { readConfigFile, readLayer } from './config-text.ts'
import { changeText } from './toml-change.ts'
import type { Home, Workspace } from '../home.ts'

export function hasRight({ agent }: Config, right: string): boolean {
  const { rights } = grantOf(agent.rights)
  return rights.has('*') || rights.has(right)
}

/**
 * Gives the agent a right by `agent.rights` in the configuration, or takes it away.
 * @returns the file that was changed; null: nothing had to be @throws OxbowError `bad_config`
 */
export function grantRight(home: Home, workspace: Workspace, right: string, isOn: boolean): string | null {
  const config = loadConfig(home, workspace)
  if (isOn && hasRight(config, right)) return null
  // The file that decides: of the user if it has the key, else of all users.
  const files = configFiles(home, workspace)
    .filter(({ source }) => source !== 'machine')
    .map(({ path }) => ({ path, agent: readLayer(path).table['agent'] }))
  const { path, agent } = files.findLast((file) => isObject(file.agent) && file.agent['rights'] !== undefined) ?? files[0]!
  const written = isObject(agent) ? agent['rights'] : undefined
  const entries = typeof written === 'string' ? [written] : Array.isArray(written) ? written.map(String) : config.agent.rights
  const kept = entries.filter((entry) => entry !== right && entry !== `!${right}`)
  const next = isOn ? [...kept, right] : kept
  if (next.length === entries.length && !isOn) return null
  // Rights that are written out would keep later defaults away.
  const isUsual = isDeepStrictEqual(next, configSchema.parse({}).agent.rights)
  const change = { key: ['agent', 'rights'], value: isUsual ? null : next }
  // What a file below lets only be tightened is not granted.
  draftConfig(home, workspace, new Map([[path, changeText(path, readConfigFile(path) ?? '', [change])]]))
  return changeFile(home, path, [change]) ? path : null
}
