/**
 * Files and folders that a person names. In a workspace names, links and pipes are an agent's to make: a link there would have the
 * person hand over what the agent chose, their own keys for one. None is followed there; the links that a person has elsewhere are.
 */
import { constants } from 'node:fs'
import { type FileHandle, open, readdir, readlink, realpath } from 'node:fs/promises'
import { join, parse, resolve, sep } from 'node:path'
import { OxbowError } from '../../types/index.ts'
import { maxLinks } from '../limits.ts'

/**
 * @param workspaces the folder of all users, `users` of the Oxbow home
 * @returns the file, of whatever kind; whoever asked closes it
 * @throws OxbowError `not_found`, or `bad_input` for a link that an agent may have made
 */
export async function openOwnFile(given: string, workspaces: string): Promise<FileHandle> {
  const path = resolve(given)
  const way = await ownWay(given, workspaces)
  const unread = (cause: unknown): never => {
    throw new OxbowError('not_found', `${path} cannot be read`, { hint: 'Give the path of a file that you may read.', cause })
  }
  // Without O_NONBLOCK a pipe would wait for whoever writes into it.
  const file = await open(way, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(unread)
  // A folder on the way may have become a link since; only Linux can tell.
  const real = await readlink(`/proc/self/fd/${file.fd}`).catch(() => way)
  if (real === way) return file
  await file.close()
  return unread(null)
}

/** @returns where the path leads, whatever is there. @throws OxbowError `bad_input` for a link that an agent may have made */
export async function ownWay(given: string, workspaces: string): Promise<string> {
  return wayTo(resolve(given), await agentFolders(workspaces))
}

/** Follows links one by one, and none that stands in a folder of an agent. */
async function wayTo(path: string, agents: readonly string[]): Promise<string> {
  const { root } = parse(path)
  let at = root
  let names = path.slice(root.length).split(sep)
  for (let links = 0; names.length > 0;) {
    const [name = '', ...rest] = names
    const next = join(at, name)
    const target = await readlink(next).catch(() => null)
    names = target === null ? rest : [...target.split(sep), ...rest]
    if (target === null) at = next
    else if (agents.some((folder) => at === folder || at.startsWith(folder + sep)) || ++links > maxLinks) throw linked(next, target)
    else if (target.startsWith(sep)) at = root
  }
  return at
}

/** What agents of all users write in, as it really is. */
async function agentFolders(workspaces: string): Promise<readonly string[]> {
  const users = await readdir(workspaces).catch(() => [])
  const folders = users.flatMap((user) => ['shared', 'tmp'].map((name) => join(workspaces, user, name)))
  return Promise.all(folders.map((folder) => realpath(folder).catch(() => folder)))
}

function linked(link: string, target: string): OxbowError {
  return new OxbowError('bad_input', `${link} is a link to ${target}, and whoever writes in the workspace can make such`, {
    hint: 'Look at where it leads; give that path itself if you mean it.',
  })
}
