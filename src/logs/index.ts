/** The public API of `logs`: files of JSON lines in a folder, one for each role, that are written without waiting and read back merged. */
export { type Note, openLog, openNotes } from './open-log.ts'
export { everyLine, followLog, type LogFilter, readLog } from './read-log.ts'
export { stderrFile } from './role-files.ts'
