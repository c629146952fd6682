/**
 * What an isolated guest is shown of the host so that `memory.embedder = "folder:PATH"` works there: that folder, read-only, under its
 * own name. Whatever could not work, or would show more than a model, is refused when the guest starts, and not in its log.
 */
import { existsSync, readdirSync, realpathSync, statSync } from 'node:fs'
import { isAbsolute, join, sep } from 'node:path'
import { OxbowError } from '../../types/index.ts'

/**
 * @param embedder `memory.embedder`
 * @param closed folders that must not be seen through it: the home, the workspace
 * @returns the folder; none for an embedder without one. @throws OxbowError `bad_config` with what to do
 */
export function embedderFolders(embedder: string, closed: readonly string[]): readonly string[] {
  const folder = /^(?:folder|onnx):(.+)$/s.exec(embedder)?.[1]
  if (folder === undefined) return []
  if (!isAbsolute(folder)) throw refused(folder, 'it is no absolute path', 'Write the whole path of the folder.')
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) {
    throw refused(folder, 'it is not there', 'Fetch a model with oxbow embed pull, then choose it with oxbow embed use.')
  }
  const real = realpathSync(folder)
  if (closed.some((each) => existsSync(each) && isWithin(realpathSync(each), real))) {
    throw refused(folder, 'there is more in it than a model, which the guest would see', 'Put the model into a folder of its own.')
  }
  const stray = readdirSync(real).find((name) => name !== 'node_modules' && !isWithin(targetOf(join(real, name)), real))
  if (stray !== undefined) {
    throw refused(folder, `${stray} is a link to another folder, which the guest does not see`, `Copy the files themselves: cp -rL`)
  }
  return [folder]
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith(sep) ? folder : `${folder}${sep}`)
}

/** A link that leads nowhere leads outside. */
function targetOf(path: string): string {
  try {
    return realpathSync(path)
  } catch {
    return ''
  }
}

function refused(folder: string, why: string, hint: string): OxbowError {
  return new OxbowError('bad_config', `memory.embedder names ${folder}, which an isolated guest cannot use: ${why}.`, {
    hint: `${hint} Or set sandbox.isolate_guest = false in config.toml.`,
  })
}
