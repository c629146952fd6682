/**
 * Names in /shared of folders that the tier does not show. Nothing is mounted there, so a file that is written below one would land in a new
 * folder of the workspace: the agent, and the person, would take it for a file of the person's own folder. File calls refuse it, as they would
 * where the folder is shown read-only. A command can still make the name; the status says that the folder is not shown.
 */
import { posix } from 'node:path'
import { isOxbowError, OxbowError } from '../base/index.ts'
import type { Hands, HandsOp, HandsOps, ShownFolder } from '../protocol/index.ts'

/** @param folders those that are not shown */
export function refuseUnseen(hands: Hands, folders: readonly ShownFolder[]): Hands {
  return {
    async ask(op, input, options) {
      const written = folders.find(({ name }) => writtenBy(op, input).some((path) => isBelow(path, name)))
      if (written !== undefined) throw notShown('path_refused', written)
      try {
        return await hands.ask(op, input, options)
      } catch (error) {
        const sought = 'path' in input && typeof input.path === 'string' ? input.path : ''
        const missed = folders.find(({ name }) => isBelow(sought, name))
        throw missed !== undefined && isOxbowError(error, 'not_found') ? notShown('not_found', missed) : error
      }
    },
  }
}

type Written = { readonly [Op in HandsOp]?: (input: HandsOps[Op]['input']) => readonly string[] }

/** Requests that can make a file or a folder, and where. */
const written: Written = {
  write: ({ path }) => [path],
  put: ({ path }) => [path],
  edit: ({ path }) => [path],
  move: ({ to }) => [to],
  unpack: ({ path }) => [path],
  patch: ({ path, diff }) => [path, ...namesIn(diff).map((name) => posix.join(path, name))],
}

function writtenBy<Op extends HandsOp>(op: Op, input: HandsOps[Op]['input']): readonly string[] {
  return written[op]?.(input) ?? []
}

/** New names in a diff, with and without the `b/` before them: more than it means, at most. */
function namesIn(diff: string): readonly string[] {
  return [...diff.matchAll(/^\+\+\+ "?([^\t\r\n"]+)/gmu)].flatMap(([, name = '']) => [name, name.replace(/^b\//, '')])
}

function isBelow(path: string, name: string): boolean {
  return `${posix.normalize(path)}/`.startsWith(`/shared/${name}/`)
}

function notShown(code: 'path_refused' | 'not_found', { name, problem }: ShownFolder): OxbowError {
  return new OxbowError(code, `/shared/${name} is a folder of the person that ${problem}.`, {
    hint: `Use another folder, or tell the person: \`oxbow folder list\` shows it.`,
  })
}
