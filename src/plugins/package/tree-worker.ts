/** Thread that reads the files of one package and ends. */
import { parentPort, workerData } from 'node:worker_threads'
import { toFailure } from '../../base/index.ts'
import { findFiles, hashFiles, hashOfFiles } from './tree-files.ts'
import type { FoundHash, TreeAnswer, TreeQuestion } from './tree.ts'

const answer = (found: TreeAnswer): void => parentPort!.postMessage(found, [])

function read({ folder, unless, lists }: TreeQuestion): FoundHash {
  const { files: found, stamp } = findFiles(folder)!
  if (stamp === unless) return { stamp, hash: '', files: [] }
  const files = hashFiles(folder, found)
  return { stamp, hash: hashOfFiles(files), files: lists ? files : [] }
}

try {
  answer({ ok: read(workerData as TreeQuestion) })
} catch (error) {
  answer({
    failure: toFailure(error, 'internal_failure', 'Check that the folder of the plugin can be read; `oxbow plugin verify` names it.'),
  })
}
