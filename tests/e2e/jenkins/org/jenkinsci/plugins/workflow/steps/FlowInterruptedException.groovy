package org.jenkinsci.plugins.workflow.steps

/** What a step throws when the build is aborted, or when its time is up. */
class FlowInterruptedException extends InterruptedException {
}
