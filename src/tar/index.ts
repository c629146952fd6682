/** Tar archives, read strictly and written: those of the workspace, of backups and of packages. */
export { archiveEnd, encodeHeader, encodeRecord, entryHeader, padding, type TarHeader } from './tar-header.ts'
export { createTarReader, readEntries, type TarEntry, type TarEvent, type TarFile, type TarReader } from './tar-reader.ts'
