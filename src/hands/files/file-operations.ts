/** What hands do with files, by operation. */
import type { FileOps } from '../../types/index.ts'
import { listFolder } from '../find/walk-folder.ts'
import { searchFiles } from '../find/search-files.ts'
import type { HandlersOf } from '../handlers.ts'
import { patchFiles } from '../patch/patch-files.ts'
import { deletePath } from './delete-path.ts'
import { editFile } from './edit-file.ts'
import { movePath } from './move-path.ts'
import { readBytes, readFile } from './read-file.ts'
import type { Uploads } from '../transfer/put-file.ts'
import { statPath } from './stat-path.ts'
import type { Root } from './workspace-path.ts'
import { writeFile } from './write-file.ts'

export function fileOperations(roots: readonly Root[], uploads: Uploads): HandlersOf<FileOps> {
  return {
    read: (input, signal) => readFile(roots, input, signal),
    bytes: (input, signal) => readBytes(roots, input, signal),
    list: (input, signal) => listFolder(roots, input, signal),
    search: (input, signal) => searchFiles(roots, input, signal),
    write: (input) => writeFile(roots, input),
    put: (input, signal) => uploads.put(input, signal),
    stat: (input) => statPath(roots, input),
    edit: (input) => editFile(roots, input),
    patch: (input, signal) => patchFiles(roots, input, signal),
    move: (input, signal) => movePath(roots, input, signal),
    delete: (input, signal) => deletePath(roots, input, signal),
  }
}
