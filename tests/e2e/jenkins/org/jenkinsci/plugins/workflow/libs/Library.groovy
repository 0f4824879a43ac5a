package org.jenkinsci.plugins.workflow.libs

/** Names the shared libraries of a Jenkinsfile. */
@interface Library {
    String[] value()
}
