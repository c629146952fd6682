/**
 * Hosts of plugins for an isolated guest. The guest names a plugin, and its runner decides what is started: the package that a person has
 * approved, with the folders that it may see and the folder of its own data. The guest sees that folder read-only, so that it can put no link
 * there that would lead the runner elsewhere.
 */
import { lstatSync, mkdirSync, realpathSync } from 'node:fs'
import { join } from 'node:path'
import { OxbowError } from '../../base/index.ts'
import { createTreeCheck, pluginFiles } from '../../plugins/index.ts'
import type { HostedPlugin, PluginFiles, ServerProgram } from '../../protocol/index.ts'
import type { Workspace } from '../home.ts'

export interface IsolatedPlugins {
  readonly files: PluginFiles
  /** Folder with what all plugins keep; no guest may write to it. */
  readonly folder: string
  /** @param asked what the guest wants to start; its `state` names the plugin @throws OxbowError `denied` */
  program(asked: ServerProgram): Promise<ServerProgram>
}

const insidePackage = '/opt/server'

/**
 * @param list the plugins that are installed and enabled at the moment
 * @param maxDataMb what each may keep
 * @throws OxbowError `path_refused` if something else is where the folder should be
 */
export function openIsolatedPlugins(
  { root }: Pick<Workspace, 'root'>,
  list: () => readonly HostedPlugin[],
  maxDataMb: number,
): IsolatedPlugins {
  const folder = join(root, 'internal', 'plugins')
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  assertOwn(folder)
  const files = pluginFiles(folder, createTreeCheck())
  return {
    files,
    folder,
    async program({ state: name = '', args, env, pass }) {
      const plugin = list().find((each) => each.name === name)
      if (plugin === undefined || plugin.unloadable !== undefined)
        throw new OxbowError(
          'denied',
          `An isolated guest may start plugins that are installed and enabled, and ${JSON.stringify(name.slice(0, 100))} is not.`,
          {
            hint: 'oxbow plugin list shows them.',
          },
        )
      await files.check(plugin)
      const state = files.state(name)
      mkdirSync(state, { recursive: true, mode: 0o700 })
      assertOwn(state)
      const watch = args.filter((arg, at) => at === 0 && /^--watch-start=\d{1,7}$/.test(arg))
      return {
        own: plugin.program,
        command: 'node',
        args: [...watch, insidePackage, ...plugin.entries],
        env,
        programFolder: plugin.folder,
        folders: plugin.paths,
        pass,
        state,
        maxFileMb: maxDataMb,
      }
    },
  }
}

/** A guest of before may have been able to write there. */
function assertOwn(folder: string): void {
  if (lstatSync(folder).isDirectory() && realpathSync(folder) === folder) return
  throw new OxbowError('path_refused', `${folder} is not a folder of its own, but leads elsewhere.`, {
    hint: 'Remove it if you have not put it there, and start Oxbow again.',
  })
}
