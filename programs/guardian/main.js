const severe = 'critical'
const mild = 'warning'

export default ({ checkpoint = true }) => {
  const findings = []
  const add = (check, severity, text) => findings.push({ check, severity, text: String(text).slice(0, 1000) })
  // A check that cannot be made is a finding, and no reason to leave out the others.
  const attempt = (check, look) => {
    try {
      look()
    } catch (error) {
      add(check, severe, `cannot be checked: ${error.message}`)
    }
  }
  attempt('audit', () => auditFindings(add))
  attempt('overload', () => oxbow.call('resources.show', {}).output.overloads.forEach((text) => add('overload', mild, text)))
  attempt('versions', () => oxbow.call('version.verify', {}).output.problems.forEach((text) => add('versions', severe, text)))
  attempt('budgets', () => budgetFindings(add))

  let commit = null
  let tag = ''
  const isWhole = !findings.some(({ check }) => check === 'versions')
  if (checkpoint && isWhole)
    attempt('checkpoint', () => {
      const made = oxbow.call('version.commit', { message: 'Checkpoint by guardian' }).output
      commit = made.commit
      if (!made.changed) return
      const name = `guardian-${new Date(oxbow.now()).toISOString().replace(/[-:.]/g, '')}`
      oxbow.call('version.tag', { tag: name, at: commit })
      tag = name
    })

  const critical = findings.filter(({ severity }) => severity === severe)
  if (critical.length > 0) oxbow.call('events.publish', { kind: 'guardian_critical', data: { findings: critical } })
  return { ok: critical.length === 0, findings, commit, tag }
}

function auditFindings(add) {
  const { ok, text, output } = oxbow.call('audit.verify', {})
  const { first_bad: bad = null, projections = [] } = output ?? {}
  if (bad !== null) add('audit', severe, `record ${bad.seq} of the journal does not hold: ${bad.why}`)
  for (const each of projections) add('audit', severe, each)
  if (bad === null && projections.length === 0 && (!ok || output?.ok === false)) add('audit', severe, text || 'the journal does not verify')
  const { signed, head } = oxbow.call('audit.status', {}).output
  if (signed !== null && !signed.is_in_chain)
    add(
      'audit',
      severe,
      `the runner has signed record ${signed.seq}, which the journal does not have as it was: it ends with record ${head.seq}`,
    )
  if (signed !== null && signed.problem !== '') add('audit', mild, `no further head is signed: ${signed.problem}`)
}

function budgetFindings(add) {
  for (const { scope, window, spent, limit, is_low: isLow } of oxbow.call('budget.show', {}).output.budgets) {
    const over = Object.keys(limit).filter((unit) => limit[unit] !== null && spent[unit] >= limit[unit])
    const named = `the budget of ${scope} (${window})`
    if (over.length > 0)
      add('budgets', severe, `${named} is used up: ${over.map((unit) => `${spent[unit]} of ${limit[unit]} ${unit}`).join(', ')}`)
    else if (isLow) add('budgets', mild, `most of ${named} is used`)
  }
}
