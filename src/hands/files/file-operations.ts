/** The operations on files. */
import type { FileOps, HandlersOf } from '../../protocol/index.ts'
import { listFolder } from '../find/walk-folder.ts'
import { searchFiles } from '../find/search-files.ts'
import { patchFiles } from '../patch/patch-files.ts'
import { deletePath, movePath } from './move-path.ts'
import { editFile } from './edit-file.ts'
import { readBytes, readFile, statPath } from './read-file.ts'
import type { Uploads } from '../transfer/put-file.ts'
import { contentPaths, createPathLocks, namePaths, type PathLocks } from './path-locks.ts'
import type { Root } from './workspace-path.ts'
import { writeFile } from './write-file.ts'

/** @param locks shared with everything else that changes files */
export function fileOperations(roots: readonly Root[], uploads: Uploads, locks: PathLocks = createPathLocks()): HandlersOf<FileOps> {
  return {
    read: (input, signal) => readFile(roots, input, signal),
    bytes: (input, signal) => readBytes(roots, input, signal),
    list: (input, signal) => listFolder(roots, input, signal),
    search: (input, signal) => searchFiles(roots, input, signal),
    stat: (input) => statPath(roots, input),
    write: (input, signal) =>
      locks.run(
        () => contentPaths(roots, [input.path]),
        signal,
        () => writeFile(roots, input),
      ),
    edit: (input, signal) =>
      locks.run(
        () => contentPaths(roots, [input.path]),
        signal,
        () => editFile(roots, input),
      ),
    patch: (input, signal) => patchFiles(roots, input, signal, locks),
    // Only the last chunk changes the file.
    put: (input, signal) =>
      input.last
        ? locks.run(
            () => contentPaths(roots, [input.path]),
            signal,
            () => uploads.put(input, signal),
          )
        : uploads.put(input, signal),
    move: (input, signal) =>
      locks.run(
        () => namePaths(roots, [input.from, input.to]),
        signal,
        () => movePath(roots, input, signal),
      ),
    delete: (input, signal) =>
      locks.run(
        () => namePaths(roots, [input.path]),
        signal,
        () => deletePath(roots, input, signal),
      ),
  }
}
