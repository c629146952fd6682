export default ({ text }) => {
  oxbow.call('file.write', { path: '/shared/notes/note.txt', text })
  return oxbow.call('file.read', { path: '/shared/notes/note.txt' }).text
}
