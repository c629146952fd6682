/**
 * Loads the npm package that a configuration names, when it is first used: from Oxbow's own installation, else from folders
 * where the person may have installed it. The name comes from a file and is held to the grammar of package names, so that
 * nothing else (a path, a URL, a builtin) can be run by it.
 */
import { existsSync, realpathSync } from 'node:fs'
import { pathToFileURL } from 'node:url'
import { OxbowError } from '../../types/index.ts'
import { maxPackageNameChars } from '../limits.ts'

/**
 * @param folders absolute; each is looked into for `node_modules`, and no folder above it. The caller answers for them: code from there
 * runs with everything that this process may do.
 * @throws OxbowError `bad_config` for a name that is none, a package that is not there, or one that fails while it loads
 */
export async function loadPackage(name: string, folders: readonly string[]): Promise<unknown> {
  checkName(name)
  const attempts = [(): Promise<unknown> => import(name), ...folders.map((folder) => () => importFrom(name, folder))]
  for (const attempt of attempts) {
    try {
      return await attempt()
    } catch (error) {
      if (!isMissing(error, name)) throw broken(name, error)
    }
  }
  const where = folders[0] === undefined ? '' : ` --prefix ${folders[0]}`
  throw new OxbowError('bad_config', `The package ${name} is not installed.`, { hint: `Run: npm install${where} ${name}` })
}

/** @see https://github.com/npm/validate-npm-package-name */
function checkName(name: string): void {
  const wellFormed = /^(?:@[a-z0-9~-][a-z0-9._~-]*\/)?[a-z0-9~-][a-z0-9._~-]*$/.test(name) && name.length <= maxPackageNameChars
  if (wellFormed && !process.getBuiltinModule('node:module').isBuiltin(name)) return
  const message = name === '' ? 'No provider package is named.' : 'What stands as provider package is no name of an npm package.'
  const hint = 'Set package of the provider to the npm package of an AI SDK provider, e.g. @ai-sdk/mistral.'
  throw new OxbowError('bad_config', message, { hint })
}

/** Imports as a module in this folder would: Node's own resolution, only begun elsewhere. */
async function importFrom(name: string, folder: string): Promise<unknown> {
  const parentURL = pathToFileURL(`${folder}/oxbow.js`).href
  const here = pathToFileURL(`${existsSync(folder) ? realpathSync(folder) : folder}/node_modules/`).href
  const hooks = process.getBuiltinModule('node:module').registerHooks({
    resolve(specifier, context, next) {
      if (specifier !== name || context.parentURL !== import.meta.url) return next(specifier, context)
      const found = next(specifier, { ...context, parentURL })
      // Node looks in every folder above as well: what somebody else may have put there is not what the person installed here.
      if (found.url.startsWith(here)) return found
      throw Object.assign(new Error(`Cannot find package '${name}' in ${folder}`), { code: 'ERR_MODULE_NOT_FOUND' })
    },
  })
  try {
    return await import(name)
  } finally {
    hooks.deregister()
  }
}

/** The package itself is not there; one that misses a part of its own is broken. */
function isMissing(error: unknown, name: string): boolean {
  const { code, message } = error as { code?: unknown; message?: unknown }
  return code === 'ERR_MODULE_NOT_FOUND' && String(message).includes(`'${name}'`)
}

function broken(name: string, cause: unknown): OxbowError {
  const why = cause instanceof Error ? cause.message.split('\n')[0] : String(cause)
  return new OxbowError('bad_config', `The package ${name} cannot be loaded: ${why}`, { hint: `Run: npm install ${name}@latest`, cause })
}
