/** A git repository of the versions of a workspace, in a folder that agents do not see. */
export { createLargeFiles, type LargeFiles, unversioned } from './large-files.ts'
export { maxLogScan } from './limits.ts'
export { addObjects, objectsInBundle, packNames, readBundle } from './pack-bundle.ts'
export { objectId, type PackedObject } from './pack-file.ts'
export { type CommitFacts, type NewCommit, openRepository, type Repository } from './repository.ts'
export { createWorkTree, encodeTree, type FileMode, folderMode, readStamps, type TreeEntry, type WorkTree } from './work-tree.ts'
