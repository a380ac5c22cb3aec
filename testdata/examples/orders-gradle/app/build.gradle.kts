plugins {
    java
}

repositories {
    mavenCentral()
}

dependencyLocking {
    lockAllConfigurations()
}

dependencies {
    implementation(platform(libs.aws.bom))
    implementation(libs.aws.s3)
    implementation(libs.aws.dynamodb.enhanced)
    implementation(platform(libs.jackson.bom))
    implementation(libs.jackson.databind)
    implementation(libs.jackson.jsr310)
    implementation(libs.okhttp)
    implementation(libs.coroutines.core)
    implementation(libs.guava)
    implementation(libs.mysql)
    implementation(libs.sqlite)
    implementation(libs.netty.epoll)
    implementation(libs.logback)
    implementation(libs.hikari)
    implementation(libs.lambda.events)
    implementation(libs.junit) // the service checks its own configuration with it
    compileOnly(libs.lombok)
    annotationProcessor(libs.lombok)
    testImplementation(libs.assertj)
}
